-- Networks are read once, an address once per look at the table: Lua has no function for either.
local bit = require("bit")
local band, bor, lshift = bit.band, bit.bor, bit.lshift

-- The four 32-bit words of an IPv6 address, or one and none of an IPv4 address.
local function parsed(text)
	if not text:find(":", 1, true) then
		local word, octet = 0, 0
		for i = 1, #text do
			local c = text:byte(i)
			if c == 46 then
				word, octet = bor(lshift(word, 8), octet), 0
			else
				octet = octet * 10 + c - 48
			end
		end
		return bor(lshift(word, 8), octet)
	end
	local groups = { 0, 0, 0, 0, 0, 0, 0, 0 }
	local count, gap, group, digits = 0, nil, 0, 0
	for i = 1, #text do
		local c = text:byte(i)
		if c == 58 then
			if digits > 0 then
				count = count + 1
				groups[count] = group
				group, digits = 0, 0
			elseif i > 1 then
				gap = count
			end
		else
			group = group * 16 + (c < 58 and c - 48 or c - 87)
			digits = digits + 1
		end
	end
	if digits > 0 then
		count = count + 1
		groups[count] = group
	end
	if gap and count < 8 then
		for i = count, gap + 1, -1 do
			groups[i + 8 - count] = groups[i]
		end
		for i = gap + 1, gap + 8 - count do
			groups[i] = 0
		end
	end
	return bor(lshift(groups[1], 16), groups[2]), bor(lshift(groups[3], 16), groups[4]),
		bor(lshift(groups[5], 16), groups[6]), bor(lshift(groups[7], 16), groups[8])
end

local function mask(bits)
	if bits <= 0 then
		return 0
	end
	return bits >= 32 and -1 or lshift(-1, 32 - bits)
end

local function network(text, policy)
	local address, length = text:match("^(.*)/(%d+)$")
	local bits = tonumber(length)
	local a, b, c, d = parsed(address)
	return {
		policy = policy, is_ipv6 = b ~= nil, a = a, b = b, c = c, d = d,
		mask_a = mask(bits), mask_b = mask(bits - 32), mask_c = mask(bits - 64), mask_d = mask(bits - 96),
	}
end

local networks = {
	network("127.0.0.0/8", "own"),
	network("::1/128", "own"),
	network("10.0.0.0/8", "private"),
	network("172.16.0.0/12", "private"),
	network("192.168.0.0/16", "private"),
	network("fd00::/8", "private"),
	network("fe80::/10", "link"),
	network("192.0.2.0/24", "test"),
	network("198.51.100.0/24", "test"),
	network("203.0.113.0/24", "test"),
	network("2001:db8::/32", "test"),
	network("198.18.0.0/15", "bench"),
	network("93.184.0.0/16", "partner"),
	network("2a00:1450::/32", "partner"),
}

local function policy(senderip)
	local a, b, c, d = parsed(senderip)
	for i = 1, #networks do
		local one = networks[i]
		if b then
			if one.is_ipv6 and band(a, one.mask_a) == one.a and band(b, one.mask_b) == one.b
				and band(c, one.mask_c) == one.c and band(d, one.mask_d) == one.d then
				return one.policy
			end
		elseif not one.is_ipv6 and band(a, one.mask_a) == one.a then
			return one.policy
		end
	end
	return "stranger"
end

local function work(rounds, lines)
	local octets = 0
	for _ = 1, rounds do
		for i = 1, #lines do
			octets = octets + #policy(lines[i])
		end
	end
	local text = {}
	for i = 1, #lines do
		text[i] = " " .. policy(lines[i])
	end
	return octets .. table.concat(text)
end
return work
