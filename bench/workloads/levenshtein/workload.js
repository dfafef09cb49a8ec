"use strict";
function distance(a, b) {
	let above = [];
	for (let j = 0; j <= b.length; j++) above.push(j);
	for (let i = 0; i < a.length; i++) {
		const c = a.charCodeAt(i);
		const row = [i + 1];
		for (let j = 0; j < b.length; j++) {
			let least = above[j];
			if (c !== b.charCodeAt(j)) {
				if (above[j + 1] < least) least = above[j + 1];
				if (row[j] < least) least = row[j];
				least++;
			}
			row.push(least);
		}
		above = row;
	}
	return above[b.length];
}
module.exports = function work(rounds, lines) {
	let sum = 0;
	for (let round = 0; round < rounds; round++) {
		let before = "example.com";
		for (const domain of lines) {
			sum += distance(before, domain);
			before = domain;
		}
	}
	let text = "";
	for (const domain of lines) text += " " + distance("example.com", domain);
	return sum + text;
};
