<?php
function block($lines)
{
	$text = '';
	foreach ($lines as $line) {
		$text .= $line . '; ';
	}
	return $text;
}
function work($rounds, $lines)
{
	$octets = 0;
	for ($round = 0; $round < $rounds; $round++) {
		$octets += strlen(block($lines));
	}
	return $octets . ' ' . block($lines);
}
return work(...);
