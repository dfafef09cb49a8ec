<?php
function work($rounds, $lines)
{
	$found = 0;
	for ($round = 0; $round < $rounds; $round++) {
		foreach ($lines as $command) {
			if (str_starts_with($command, 'MAIL FROM:')) {
				$found++;
			}
		}
	}
	return $found;
}
return work(...);
