<?php
function address($senderip)
{
	if (substr($senderip, 0, 9) === '64:ff9b::') {
		[$hi, $lo] = explode(':', substr($senderip, 9));
		$padded = substr('0000' . $hi, -4) . substr('0000' . $lo, -4);
		return implode('.', unpack('C4', pack('H8', $padded)));
	}
	return $senderip;
}
function work($rounds, $lines)
{
	$octets = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $senderip) {
			$octets += strlen(address($senderip));
		}
	}
	$text = '';
	foreach ($lines as $senderip) {
		$text .= ' ' . address($senderip);
	}
	return $octets . $text;
}
return work(...);
