<?php
function work($rounds)
{
	$sum = 0;
	for ($i = 0; $i < $rounds; $i++) {
		$sum += $i % 7;
	}
	return $sum;
}
return work(...);
