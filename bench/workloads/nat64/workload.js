"use strict";
function address(senderip) {
	if (senderip.slice(0, 9) === "64:ff9b::") {
		const [hi, lo] = senderip.slice(9).split(":");
		const padded = ("0000" + hi).slice(-4) + ("0000" + lo).slice(-4);
		const octets = [];
		for (let i = 0; i < 8; i += 2) octets.push(parseInt(padded.slice(i, i + 2), 16));
		return octets.join(".");
	}
	return senderip;
}
module.exports = function work(rounds, lines) {
	let octets = 0;
	for (let round = 0; round < rounds; round++)
		for (const senderip of lines) octets += address(senderip).length;
	let text = "";
	for (const senderip of lines) text += " " + address(senderip);
	return octets + text;
};
