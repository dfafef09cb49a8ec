local function address(senderip)
	if senderip:sub(1, 9) == "64:ff9b::" then
		local colon = senderip:find(":", 10, true)
		local hi, lo = senderip:sub(10, colon - 1), senderip:sub(colon + 1)
		local padded = ("0000" .. hi):sub(-4) .. ("0000" .. lo):sub(-4)
		local octets = {}
		for i = 1, 4 do
			octets[i] = tonumber("0x" .. padded:sub(i * 2 - 1, i * 2))
		end
		return table.concat(octets, ".")
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
