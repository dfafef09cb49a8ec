"use strict";
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

function encoded(text) {
	let result = "";
	let buffer = 0;
	let bits = 0;
	for (let i = 0; i < text.length; i++) {
		buffer = ((buffer << 8) | text.charCodeAt(i)) & 4095;
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			result += alphabet[(buffer >> bits) & 31];
		}
	}
	if (bits > 0) result += alphabet[(buffer << (5 - bits)) & 31];
	return result;
}
function decoded(text, values) {
	let result = "";
	let buffer = 0;
	let bits = 0;
	for (let i = 0; i < text.length; i++) {
		buffer = ((buffer << 5) | values.get(text[i])) & 4095;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			result += String.fromCharCode((buffer >> bits) & 255);
		}
	}
	return result;
}
module.exports = function work(rounds, lines) {
	const values = new Map();
	for (let value = 0; value < 32; value++) values.set(alphabet[value], value);
	let octets = 0;
	for (let round = 0; round < rounds; round++)
		for (const line of lines) {
			const code = encoded(line);
			if (decoded(code, values) === line) octets += code.length;
		}
	let text = "";
	for (const line of lines) text += " " + encoded(line);
	return octets + text;
};
