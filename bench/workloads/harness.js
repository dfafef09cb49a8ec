// Runs one workload: node harness.js [FILE ROUNDS WARM_UP_ROUNDS LINES].
//
// In: a file that gives a function of rounds and lines, and the file of lines, if it has one. Out: the answer, the
// nanoseconds of CPU and those of the clock that ROUNDS took, and the name of the engine, a line each; only the name
// without arguments.
"use strict";
const fs = require("fs");
const path = require("path");

const [file, rounds, warmUpRounds, linesFile] = process.argv.slice(2);
if (file) {
	const work = require(path.resolve(file));
	const lines = linesFile ? fs.readFileSync(linesFile, "latin1").split("\n").slice(0, -1) : [];
	work(Number(warmUpRounds), lines);
	const begun = process.hrtime.bigint();
	const begunCpu = process.cpuUsage();
	const answer = work(Number(rounds), lines);
	const usedUs = process.cpuUsage(begunCpu);
	const took = process.hrtime.bigint() - begun;
	console.log(String(answer));
	console.log(String((usedUs.user + usedUs.system) * 1000));
	console.log(String(took));
}
console.log(`Node ${process.version}`);
