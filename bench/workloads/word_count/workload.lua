local function counted(lines)
	local counts, order = {}, {}
	for i = 1, #lines do
		for word in lines[i]:gmatch("[^ ]+") do
			local count = counts[word]
			if not count then
				order[#order + 1] = word
			end
			counts[word] = (count or 0) + 1
		end
	end
	return counts, order
end
local function work(rounds, lines)
	local sum = 0
	for _ = 1, rounds do
		local counts, order = counted(lines)
		sum = sum + counts.mail + #order
	end
	local text = {}
	local counts, order = counted(lines)
	for _, word in ipairs(order) do
		text[#text + 1] = " " .. word .. "=" .. counts[word]
	end
	return sum .. table.concat(text)
end
return work
