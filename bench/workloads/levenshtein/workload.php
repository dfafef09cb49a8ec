<?php
function distance($a, $b)
{
	$columns = strlen($b);
	$row = range(0, $columns);
	for ($i = 0; $i < strlen($a); $i++) {
		$c = $a[$i];
		$diagonal = $i;
		$row[0] = $i + 1;
		for ($j = 0; $j < $columns; $j++) {
			$above = $row[$j + 1];
			$least = $diagonal;
			if ($c !== $b[$j]) {
				if ($above < $least) {
					$least = $above;
				}
				if ($row[$j] < $least) {
					$least = $row[$j];
				}
				$least++;
			}
			$row[$j + 1] = $least;
			$diagonal = $above;
		}
	}
	return $row[$columns];
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
