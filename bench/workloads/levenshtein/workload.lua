local function distance(a, b)
	local columns = #b
	local row = {}
	for j = 0, columns do
		row[j + 1] = j
	end
	for i = 1, #a do
		local c, diagonal = a:byte(i), i - 1
		row[1] = i
		for j = 1, columns do
			local above, least = row[j + 1], diagonal
			if c ~= b:byte(j) then
				if above < least then
					least = above
				end
				if row[j] < least then
					least = row[j]
				end
				least = least + 1
			end
			row[j + 1] = least
			diagonal = above
		end
	end
	return row[columns + 1]
end
local function work(rounds, lines)
	local sum = 0
	for _ = 1, rounds do
		local before = "example.com"
		for i = 1, #lines do
			sum = sum + distance(before, lines[i])
			before = lines[i]
		end
	end
	local text = {}
	for i = 1, #lines do
		text[i] = " " .. distance("example.com", lines[i])
	end
	return sum .. table.concat(text)
end
return work
