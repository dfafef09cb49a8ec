"use strict";
function distance(a, b) {
	const row = [];
	for (let j = 0; j <= b.length; j++) row.push(j);
	for (let i = 0; i < a.length; i++) {
		const c = a.charCodeAt(i);
		let diagonal = i;
		row[0] = i + 1;
		for (let j = 0; j < b.length; j++) {
			const above = row[j + 1];
			let least = diagonal;
			if (c !== b.charCodeAt(j)) {
				if (above < least) least = above;
				if (row[j] < least) least = row[j];
				least++;
			}
			row[j + 1] = least;
			diagonal = above;
		}
	}
	return row[b.length];
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
