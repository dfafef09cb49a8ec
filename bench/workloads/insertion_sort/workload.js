"use strict";
function sorted(seed) {
	const list = [];
	for (let i = 0; i < 64; i++) {
		seed = (seed * 16807) % 2147483647;
		list.push(seed % 1000);
	}
	for (let i = 1; i < 64; i++) {
		const value = list[i];
		let j = i - 1;
		while (j >= 0 && list[j] > value) {
			list[j + 1] = list[j];
			j--;
		}
		list[j + 1] = value;
	}
	return list;
}
module.exports = function work(rounds) {
	let sum = 0;
	for (let round = 1; round <= rounds; round++) {
		const list = sorted(round);
		sum += list[0] + list[31] * 2 + list[63] * 3;
	}
	return sum + " " + sorted(5321).join(" ");
};
