<?php
function sorted($seed)
{
	$list = [];
	for ($i = 0; $i < 64; $i++) {
		$seed = $seed * 16807 % 2147483647;
		$list[] = $seed % 1000;
	}
	for ($i = 1; $i < 64; $i++) {
		$value = $list[$i];
		$j = $i - 1;
		while ($j >= 0 && $list[$j] > $value) {
			$list[$j + 1] = $list[$j];
			$j--;
		}
		$list[$j + 1] = $value;
	}
	return $list;
}
function work($rounds)
{
	$sum = 0;
	for ($round = 1; $round <= $rounds; $round++) {
		$list = sorted($round);
		$sum += $list[0] + $list[31] * 2 + $list[63] * 3;
	}
	return $sum . ' ' . implode(' ', sorted(5321));
}
return work(...);
