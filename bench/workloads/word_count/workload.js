"use strict";
function counted(lines) {
	const counts = new Map();
	for (const line of lines)
		for (const word of line.split(" ")) counts.set(word, (counts.get(word) ?? 0) + 1);
	return counts;
}
module.exports = function work(rounds, lines) {
	let sum = 0;
	for (let round = 0; round < rounds; round++) {
		const counts = counted(lines);
		sum += counts.get("mail") + counts.size;
	}
	let text = "";
	for (const [word, count] of counted(lines)) text += ` ${word}=${count}`;
	return sum + text;
};
