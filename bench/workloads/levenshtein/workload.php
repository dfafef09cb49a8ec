<?php
function distance($a, $b)
{
	$columns = strlen($b);
	$above = range(0, $columns);
	for ($i = 0; $i < strlen($a); $i++) {
		$c = $a[$i];
		$row = [$i + 1];
		for ($j = 0; $j < $columns; $j++) {
			$least = $above[$j];
			if ($c !== $b[$j]) {
				if ($above[$j + 1] < $least) {
					$least = $above[$j + 1];
				}
				if ($row[$j] < $least) {
					$least = $row[$j];
				}
				$least++;
			}
			$row[] = $least;
		}
		$above = $row;
	}
	return $above[$columns];
}
function work($rounds, $lines)
{
	$sum = 0;
	for ($round = 0; $round < $rounds; $round++) {
		$before = 'example.com';
		foreach ($lines as $domain) {
			$sum += distance($before, $domain);
			$before = $domain;
		}
	}
	$text = '';
	foreach ($lines as $domain) {
		$text .= ' ' . distance('example.com', $domain);
	}
	return $sum . $text;
}
return work(...);
