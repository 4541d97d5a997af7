-- IPv6 addresses as eight groups of 16 bits.

local addresses = {}

-- Reads an address such as 2001:db8::1.
function addresses.parse(text)
    local function groups(part)
        local list = {}
        for group in part:gmatch("[^:]+") do
            local number = tonumber(group, 16)
            assert(number and number <= 0xffff, "not an IPv6 address: " .. text)
            list[#list + 1] = number
        end
        return list
    end
    local head, tail = text:match("^(.-)::(.*)$")
    local front = groups(head or text)
    local back = groups(tail or "")
    local missing = 8 - #front - #back
    assert(missing == 0 or (head and missing > 0), "not an IPv6 address: " .. text)
    local all = front
    for _ = 1, missing do
        all[#all + 1] = 0
    end
    for _, group in ipairs(back) do
        all[#all + 1] = group
    end
    return all
end

-- Writes an address, all groups of it.
function addresses.format(groups)
    local parts = {}
    for place = 1, 8 do
        parts[place] = string.format("%x", groups[place])
    end
    return table.concat(parts, ":")
end

-- The address that lies `count` prefixes of `length` bits behind; lengths are multiples of 16.
function addresses.step(groups, count, length)
    assert(length % 16 == 0 and length >= 16 and length <= 128, "a prefix length is a multiple of 16")
    local sum = { table.unpack(groups) }
    local place = length // 16
    local carry = count
    while carry > 0 do
        assert(place >= 1, "the hosts do not fit behind the first")
        local total = sum[place] + carry
        sum[place] = total & 0xffff
        carry = total >> 16
        place = place - 1
    end
    return sum
end

-- The address as 16 octets.
function addresses.octets(groups)
    return string.pack(">I2I2I2I2I2I2I2I2", table.unpack(groups, 1, 8))
end

return addresses
