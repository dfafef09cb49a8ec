local function map(callback, list)
	local result = {}
	for i = 1, #list do
		result[i] = callback(list[i])
	end
	return result
end
local function filter(callback, list)
	local result, count = {}, 0
	for i = 1, #list do
		if callback(list[i]) then
			count = count + 1
			result[count] = list[i]
		end
	end
	return result
end
local function reduce(callback, list, initial)
	local total = initial
	for i = 1, #list do
		total = callback(total, list[i])
	end
	return total
end
local function work(rounds)
	local numbers = {}
	for i = 1, 100 do
		numbers[i] = i
	end
	local sum = 0
	for round = 0, rounds - 1 do
		local factor = round % 10 + 1
		local products = map(function(x) return x * factor end, numbers)
		local picked = filter(function(x) return x % 3 == 0 end, products)
		sum = sum + reduce(function(total, x) return total + x end, picked, 0)
	end
	return sum
end
return work
