<?php
// Runs one workload: php harness.php [FILE ROUNDS WARM_UP_ROUNDS LINES].
//
// In: a file that gives a function of rounds and lines, and the file of lines, if it has one. Out: the answer, the
// nanoseconds of CPU and those of the clock that ROUNDS took, and the name of the engine, a line each; only the name
// without arguments.
declare(strict_types=1);

function cpu_ns(): int
{
	$used = getrusage();
	$us = ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) * 1000000;
	return ($us + $used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) * 1000;
}

$file = $argv[1] ?? null;
if ($file !== null) {
	$work = require $file;
	$lines = isset($argv[4]) ? file($argv[4], FILE_IGNORE_NEW_LINES) : [];
	$work((int) $argv[3], $lines);
	$begun = hrtime(true);
	$begunCpu = cpu_ns();
	$answer = $work((int) $argv[2], $lines);
	$tookCpu = cpu_ns() - $begunCpu;
	$took = hrtime(true) - $begun;
	echo $answer, "\n", $tookCpu, "\n", $took, "\n";
}
$status = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
echo 'PHP ', PHP_VERSION, ($status['jit']['on'] ?? false) ? ' with JIT' : ' without JIT', "\n";
