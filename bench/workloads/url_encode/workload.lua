local bit = require("bit")
local band, rshift = bit.band, bit.rshift

local function encoded(text)
	local digits = "0123456789ABCDEF"
	local result = ""
	for i = 1, #text do
		local o = text:byte(i)
		if (o >= 97 and o <= 122) or (o >= 65 and o <= 90) or (o >= 48 and o <= 57)
			or o == 45 or o == 46 or o == 95 or o == 126 then
			result = result .. text:sub(i, i)
		else
			local high, low = rshift(o, 4) + 1, band(o, 15) + 1
			result = result .. "%" .. digits:sub(high, high) .. digits:sub(low, low)
		end
	end
	return result
end
local function work(rounds, lines)
	local octets = 0
	for _ = 1, rounds do
		for i = 1, #lines do
			octets = octets + #encoded(lines[i])
		end
	end
	local text = {}
	for i = 1, #lines do
		text[i] = " " .. encoded(lines[i])
	end
	return octets .. table.concat(text)
end
return work
