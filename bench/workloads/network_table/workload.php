<?php
// Networks are read once, an address once per look at the table.
function network($text, $policy)
{
	[$address, $length] = explode('/', $text);
	$octets = inet_pton($address);
	$mask = '';
	for ($i = 0; $i < strlen($octets); $i++) {
		$mask .= chr(255 << 8 - max(0, min(8, (int) $length - 8 * $i)) & 255);
	}
	return [$octets, $mask, $policy];
}
function networks()
{
	return [
		network('127.0.0.0/8', 'own'),
		network('::1/128', 'own'),
		network('10.0.0.0/8', 'private'),
		network('172.16.0.0/12', 'private'),
		network('192.168.0.0/16', 'private'),
		network('fd00::/8', 'private'),
		network('fe80::/10', 'link'),
		network('192.0.2.0/24', 'test'),
		network('198.51.100.0/24', 'test'),
		network('203.0.113.0/24', 'test'),
		network('2001:db8::/32', 'test'),
		network('198.18.0.0/15', 'bench'),
		network('93.184.0.0/16', 'partner'),
		network('2a00:1450::/32', 'partner'),
	];
}
function policy($senderip, $networks)
{
	$address = inet_pton($senderip);
	$length = strlen($address);
	foreach ($networks as [$octets, $mask, $policy]) {
		if (strlen($octets) === $length && ($address & $mask) === $octets) {
			return $policy;
		}
	}
	return 'stranger';
}
function work($rounds, $lines)
{
	$networks = networks();
	$octets = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $senderip) {
			$octets += strlen(policy($senderip, $networks));
		}
	}
	$text = '';
	foreach ($lines as $senderip) {
		$text .= ' ' . policy($senderip, $networks);
	}
	return $octets . $text;
}
return work(...);
