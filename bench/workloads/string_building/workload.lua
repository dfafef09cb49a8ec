-- A table and one concatenation: appending to a string copies it each time in Lua.
local function block(lines)
	local pieces, count = {}, 0
	for i = 1, #lines do
		pieces[count + 1] = lines[i]
		pieces[count + 2] = "; "
		count = count + 2
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
