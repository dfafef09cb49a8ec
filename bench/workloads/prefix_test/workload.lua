local function work(rounds, lines)
	local found = 0
	for _ = 1, rounds do
		for i = 1, #lines do
			local command = lines[i]
			if command:sub(1, 10) == "MAIL FROM:" then
				found = found + 1
			end
		end
	end
	return found
end
return work
