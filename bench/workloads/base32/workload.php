<?php
function encoded($text)
{
	$alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
	$result = '';
	$length = strlen($text);
	$buffer = 0;
	$bits = 0;
	for ($i = 0; $i < $length; $i++) {
		$buffer = ($buffer << 8 | ord($text[$i])) & 4095;
		$bits += 8;
		while ($bits >= 5) {
			$bits -= 5;
			$result .= $alphabet[$buffer >> $bits & 31];
		}
	}
	if ($bits > 0) {
		$result .= $alphabet[$buffer << 5 - $bits & 31];
	}
	return $result;
}
function decoded($text, $values)
{
	$result = '';
	$length = strlen($text);
	$buffer = 0;
	$bits = 0;
	for ($i = 0; $i < $length; $i++) {
		$buffer = ($buffer << 5 | $values[$text[$i]]) & 4095;
		$bits += 5;
		if ($bits >= 8) {
			$bits -= 8;
			$result .= chr($buffer >> $bits & 255);
		}
	}
	return $result;
}
function work($rounds, $lines)
{
	$values = array_flip(str_split('abcdefghijklmnopqrstuvwxyz234567'));
	$octets = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $line) {
			$code = encoded($line);
			if (decoded($code, $values) === $line) {
				$octets += strlen($code);
			}
		}
	}
	$text = '';
	foreach ($lines as $line) {
		$text .= ' ' . encoded($line);
	}
	return $octets . $text;
}
return work(...);
