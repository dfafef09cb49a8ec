<?php
function counted($lines)
{
	$counts = [];
	foreach ($lines as $line) {
		foreach (explode(' ', $line) as $word) {
			$counts[$word] = ($counts[$word] ?? 0) + 1;
		}
	}
	return $counts;
}
function work($rounds, $lines)
{
	$sum = 0;
	for ($round = 0; $round < $rounds; $round++) {
		$counts = counted($lines);
		$sum += $counts['mail'] + count($counts);
	}
	$text = '';
	foreach (counted($lines) as $word => $count) {
		$text .= " $word=$count";
	}
	return $sum . $text;
}
return work(...);
