-- As explode() of the other languages; a loop over string.gmatch is slower.
local function split(line, delimiter)
	local words, count, from = {}, 0, 1
	while true do
		local to = line:find(delimiter, from, true)
		count = count + 1
		words[count] = line:sub(from, to and to - 1)
		if not to then
			return words
		end
		from = to + #delimiter
	end
end
local function counted(lines)
	local counts, order = {}, {}
	for i = 1, #lines do
		local words = split(lines[i], " ")
		for j = 1, #words do
			local word = words[j]
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
