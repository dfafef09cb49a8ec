local function sorted(seed)
	local list = {}
	for i = 1, 64 do
		seed = seed * 16807 % 2147483647
		list[i] = seed % 1000
	end
	for i = 2, 64 do
		local value = list[i]
		local j = i - 1
		while j >= 1 and list[j] > value do
			list[j + 1] = list[j]
			j = j - 1
		end
		list[j + 1] = value
	end
	return list
end
local function work(rounds)
	local sum = 0
	for round = 1, rounds do
		local list = sorted(round)
		sum = sum + list[1] + list[32] * 2 + list[64] * 3
	end
	return sum .. " " .. table.concat(sorted(5321), " ")
end
return work
