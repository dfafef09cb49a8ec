local function extracted(line)
	local recipient, status = line:match("to=<([^>]+)>, .*status=(%w+)$")
	if recipient then
		return recipient .. " " .. status
	end
	return "-"
end
local function work(rounds, lines)
	local octets = 0
	for _ = 1, rounds do
		for i = 1, #lines do
			octets = octets + #extracted(lines[i])
		end
	end
	local text = {}
	for i = 1, #lines do
		text[i] = " " .. extracted(lines[i])
	end
	return octets .. table.concat(text)
end
return work
