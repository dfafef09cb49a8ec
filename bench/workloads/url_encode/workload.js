"use strict";
function encoded(text) {
	const digits = "0123456789ABCDEF";
	let result = "";
	for (let i = 0; i < text.length; i++) {
		const o = text.charCodeAt(i);
		if (
			(o >= 97 && o <= 122) || (o >= 65 && o <= 90) || (o >= 48 && o <= 57) ||
			o === 45 || o === 46 || o === 95 || o === 126
		)
			result += text[i];
		else result += "%" + digits[o >> 4] + digits[o & 15];
	}
	return result;
}
module.exports = function work(rounds, lines) {
	let octets = 0;
	for (let round = 0; round < rounds; round++)
		for (const line of lines) octets += encoded(line).length;
	let text = "";
	for (const line of lines) text += " " + encoded(line);
	return octets + text;
};
