"use strict";
// Networks are read once, an address once per look at the table.

// The four 32-bit words of an IPv6 address, or the one of an IPv4 address.
function parsed(text) {
	if (!text.includes(":")) {
		let word = 0;
		let octet = 0;
		for (let i = 0; i < text.length; i++) {
			const c = text.charCodeAt(i);
			if (c === 46) {
				word = (word << 8) | octet;
				octet = 0;
			} else octet = octet * 10 + c - 48;
		}
		return [(word << 8) | octet];
	}
	const groups = [0, 0, 0, 0, 0, 0, 0, 0];
	let count = 0;
	let gap = -1;
	let group = 0;
	let digits = 0;
	for (let i = 0; i < text.length; i++) {
		const c = text.charCodeAt(i);
		if (c === 58) {
			if (digits > 0) {
				groups[count++] = group;
				group = digits = 0;
			} else if (i > 0) gap = count;
		} else {
			group = group * 16 + (c < 58 ? c - 48 : c - 87);
			digits++;
		}
	}
	if (digits > 0) groups[count++] = group;
	if (gap >= 0 && count < 8) {
		for (let i = count - 1; i >= gap; i--) groups[i + 8 - count] = groups[i];
		for (let i = gap; i < gap + 8 - count; i++) groups[i] = 0;
	}
	return [
		(groups[0] << 16) | groups[1],
		(groups[2] << 16) | groups[3],
		(groups[4] << 16) | groups[5],
		(groups[6] << 16) | groups[7],
	];
}

function mask(bits) {
	if (bits <= 0) return 0;
	return bits >= 32 ? -1 : -1 << (32 - bits);
}

function network([text, policy]) {
	const [address, length] = text.split("/");
	const words = parsed(address);
	return { policy, words, masks: words.map((_, i) => mask(Number(length) - 32 * i)) };
}

const networks = [
	["127.0.0.0/8", "own"],
	["::1/128", "own"],
	["10.0.0.0/8", "private"],
	["172.16.0.0/12", "private"],
	["192.168.0.0/16", "private"],
	["fd00::/8", "private"],
	["fe80::/10", "link"],
	["192.0.2.0/24", "test"],
	["198.51.100.0/24", "test"],
	["203.0.113.0/24", "test"],
	["2001:db8::/32", "test"],
	["198.18.0.0/15", "bench"],
	["93.184.0.0/16", "partner"],
	["2a00:1450::/32", "partner"],
].map(network);

function isIn(address, { words, masks }) {
	if (address.length !== words.length) return false;
	for (let i = 0; i < words.length; i++) if ((address[i] & masks[i]) !== words[i]) return false;
	return true;
}

function policy(senderip) {
	const address = parsed(senderip);
	for (const one of networks) if (isIn(address, one)) return one.policy;
	return "stranger";
}

module.exports = function work(rounds, lines) {
	let octets = 0;
	for (let round = 0; round < rounds; round++)
		for (const senderip of lines) octets += policy(senderip).length;
	let text = "";
	for (const senderip of lines) text += " " + policy(senderip);
	return octets + text;
};
