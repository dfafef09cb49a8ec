local function address(senderip)
	if senderip:sub(1, 9) == "64:ff9b::" then
		local colon = senderip:find(":", 10, true)
		local hi, lo = senderip:sub(10, colon - 1), senderip:sub(colon + 1)
		local padded = ("0000" .. hi):sub(-4) .. ("0000" .. lo):sub(-4)
		local a, b, c, d = padded:match("(..)(..)(..)(..)")
		return string.format("%d.%d.%d.%d", tonumber(a, 16), tonumber(b, 16), tonumber(c, 16), tonumber(d, 16))
	end
	return senderip
end
local function work(rounds, lines)
	local octets = 0
	for _ = 1, rounds do
		for i = 1, #lines do
			octets = octets + #address(lines[i])
		end
	end
	local text = {}
	for i = 1, #lines do
		text[i] = " " .. address(lines[i])
	end
	return octets .. table.concat(text)
end
return work
