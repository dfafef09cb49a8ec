"use strict";
module.exports = function work(rounds) {
	const numbers = Array.from({ length: 100 }, (_, i) => i + 1);
	let sum = 0;
	for (let round = 0; round < rounds; round++) {
		const factor = (round % 10) + 1;
		sum += numbers
			.map((x) => x * factor)
			.filter((x) => x % 3 === 0)
			.reduce((total, x) => total + x, 0);
	}
	return sum;
};
