"use strict";
function extracted(line) {
	const found = /to=<([^>]+)>, .*status=(\w+)$/.exec(line);
	return found ? found[1] + " " + found[2] : "-";
}
module.exports = function work(rounds, lines) {
	let octets = 0;
	for (let round = 0; round < rounds; round++)
		for (const line of lines) octets += extracted(line).length;
	let text = "";
	for (const line of lines) text += " " + extracted(line);
	return octets + text;
};
