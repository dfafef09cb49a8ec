<?php
function extracted($line)
{
	if (preg_match('/to=<([^>]+)>, .*status=(\w+)$/', $line, $found)) {
		return $found[1] . ' ' . $found[2];
	}
	return '-';
}
function work($rounds, $lines)
{
	$octets = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $line) {
			$octets += strlen(extracted($line));
		}
	}
	$text = '';
	foreach ($lines as $line) {
		$text .= ' ' . extracted($line);
	}
	return $octets . $text;
}
return work(...);
