"use strict";
module.exports = function work(rounds, lines) {
	let found = 0;
	for (let round = 0; round < rounds; round++)
		for (const command of lines)
			if (command.endsWith("example.com>")) found++;
	return found;
};
