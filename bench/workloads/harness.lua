-- Runs one workload: luajit harness.lua [FILE ROUNDS WARM_UP_ROUNDS LINES].
--
-- In: a file that gives a function of rounds and lines, and the file of lines, if it has one. Out: the answer, the
-- nanoseconds of CPU and those of the clock that ROUNDS took, and the name of the engine, a line each; only the name
-- without arguments.
local ffi = require("ffi")
ffi.cdef [[
struct timespec { long seconds; long nanoseconds; };
int clock_gettime(int clock, struct timespec *time);
]]
local MONOTONIC, PROCESS_CPU = 1, 2

local function now_ns(clock)
	local time = ffi.new("struct timespec")
	ffi.C.clock_gettime(clock, time)
	return tonumber(time.seconds) * 1e9 + tonumber(time.nanoseconds)
end

local file, rounds, warm_up_rounds, lines_file = ...
if file then
	local work = dofile(file)
	local lines = {}
	if lines_file then
		for line in io.lines(lines_file) do
			lines[#lines + 1] = line
		end
	end
	work(tonumber(warm_up_rounds), lines)
	local begun, begun_cpu = now_ns(MONOTONIC), now_ns(PROCESS_CPU)
	local answer = work(tonumber(rounds), lines)
	local took_cpu, took = now_ns(PROCESS_CPU) - begun_cpu, now_ns(MONOTONIC) - begun
	print(type(answer) == "number" and string.format("%.0f", answer) or answer)
	print(string.format("%.0f", took_cpu))
	print(string.format("%.0f", took))
end
print(jit.version .. (jit.status() and "" or " without JIT"))
