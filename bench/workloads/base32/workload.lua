local bit = require("bit")
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local alphabet = "abcdefghijklmnopqrstuvwxyz234567"

local function encoded(text)
	local result, count = {}, 0
	local buffer, bits = 0, 0
	for i = 1, #text do
		buffer = band(bor(lshift(buffer, 8), text:byte(i)), 4095)
		bits = bits + 8
		while bits >= 5 do
			bits = bits - 5
			local place = band(rshift(buffer, bits), 31) + 1
			count = count + 1
			result[count] = alphabet:sub(place, place)
		end
	end
	if bits > 0 then
		local place = band(lshift(buffer, 5 - bits), 31) + 1
		result[count + 1] = alphabet:sub(place, place)
	end
	return table.concat(result)
end
local function decoded(text, values)
	local result, count = {}, 0
	local buffer, bits = 0, 0
	for i = 1, #text do
		buffer = band(bor(lshift(buffer, 5), values[text:sub(i, i)]), 4095)
		bits = bits + 5
		if bits >= 8 then
			bits = bits - 8
			count = count + 1
			result[count] = string.char(band(rshift(buffer, bits), 255))
		end
	end
	return table.concat(result)
end
local function work(rounds, lines)
	local values = {}
	for value = 0, 31 do
		values[alphabet:sub(value + 1, value + 1)] = value
	end
	local octets = 0
	for _ = 1, rounds do
		for i = 1, #lines do
			local code = encoded(lines[i])
			if decoded(code, values) == lines[i] then
				octets = octets + #code
			end
		end
	end
	local text = {}
	for i = 1, #lines do
		text[i] = " " .. encoded(lines[i])
	end
	return octets .. table.concat(text)
end
return work
