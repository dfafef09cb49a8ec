-- A table and one concatenation: appending to a string copies it each time in Lua.
local function block(lines)
	local pieces = {}
	for i = 1, #lines do
		pieces[#pieces + 1] = lines[i] .. "; "
	end
	return table.concat(pieces)
end
local function work(rounds, lines)
	local octets = 0
	for _ = 1, rounds do
		octets = octets + #block(lines)
	end
	return octets .. " " .. block(lines)
end
return work
