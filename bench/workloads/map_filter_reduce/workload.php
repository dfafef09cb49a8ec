<?php
function work($rounds)
{
	$numbers = range(1, 100);
	$sum = 0;
	for ($round = 0; $round < $rounds; $round++) {
		$factor = $round % 10 + 1;
		$products = array_map(fn ($x) => $x * $factor, $numbers);
		$picked = array_filter($products, fn ($x) => $x % 3 === 0);
		$sum += array_reduce($picked, fn ($total, $x) => $total + $x, 0);
	}
	return $sum;
}
return work(...);
