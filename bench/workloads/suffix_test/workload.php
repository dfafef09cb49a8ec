<?php
function work($rounds, $lines)
{
	$found = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $command) {
			if (str_ends_with($command, 'example.com>')) {
				$found++;
			}
		}
	}
	return $found;
}
return work(...);
