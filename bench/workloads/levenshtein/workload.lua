local function distance(a, b)
	local columns = #b
	local above = {}
	for j = 0, columns do
		above[j + 1] = j
	end
	for i = 1, #a do
		local c = a:byte(i)
		local row = { i }
		for j = 1, columns do
			local least = above[j]
			if c ~= b:byte(j) then
				if above[j + 1] < least then
					least = above[j + 1]
				end
				if row[j] < least then
					least = row[j]
				end
				least = least + 1
			end
			row[j + 1] = least
		end
		above = row
	end
	return above[columns + 1]
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
