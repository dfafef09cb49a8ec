<?php
function encoded($text)
{
	$digits = '0123456789ABCDEF';
	$result = '';
	$length = strlen($text);
	for ($i = 0; $i < $length; $i++) {
		$c = $text[$i];
		$o = ord($c);
		if (($o >= 97 && $o <= 122) || ($o >= 65 && $o <= 90) || ($o >= 48 && $o <= 57)
			|| $o === 45 || $o === 46 || $o === 95 || $o === 126) {
			$result .= $c;
		} else {
			$result .= '%' . $digits[$o >> 4] . $digits[$o & 15];
		}
	}
	return $result;
}
function work($rounds, $lines)
{
	$octets = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $line) {
			$octets += strlen(encoded($line));
		}
	}
	$text = '';
	foreach ($lines as $line) {
		$text .= ' ' . encoded($line);
	}
	return $octets . $text;
}
return work(...);
