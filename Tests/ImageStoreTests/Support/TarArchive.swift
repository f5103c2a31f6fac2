/// Makes archives of tar's family, byte by byte.
struct TarArchive {
    private(set) var bytes: [UInt8] = []

    enum Kind: UInt8 {
        case file = 0x30
        case hardLink, symbolicLink, characterDevice, blockDevice, directory, fifo
        case extended = 0x78
    }

    /// - Parameters:
    ///   - size: what the header says, where that is not the data's.
    ///   - extended: pax records.
    mutating func add(
        _ path: [UInt8], _ kind: Kind = .file, data: [UInt8] = [], target: [UInt8] = [], mode: Int = 0o644,
        user: Int = 0,
        group: Int = 0, modified: Int = 0, device: (major: Int, minor: Int) = (0, 0), size: Int? = nil,
        extended: [(key: String, value: [UInt8])] = []
    ) {
        var records = extended
        if path.count > 100 { records.append(("path", path)) }
        if target.count > 100 { records.append(("linkpath", target)) }
        if !records.isEmpty {
            let data = records.flatMap { Self.record($0.key, $0.value) }
            append(Array("pax".utf8), .extended, data: data)
        }
        append(
            path, kind, data: data, target: target, mode: mode, user: user, group: group, modified: modified,
            device: device, size: size)
    }

    mutating func add(
        _ path: String, _ kind: Kind = .file, _ data: String = "", target: String = "", mode: Int = 0o644, user: Int = 0
    ) {
        add(Array(path.utf8), kind, data: Array(data.utf8), target: Array(target.utf8), mode: mode, user: user)
    }

    private mutating func append(
        _ path: [UInt8], _ kind: Kind, data: [UInt8], target: [UInt8] = [], mode: Int = 0, user: Int = 0,
        group: Int = 0,
        modified: Int = 0, device: (major: Int, minor: Int) = (0, 0), size: Int? = nil
    ) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ value: [UInt8], at offset: Int) {
            header.replaceSubrange(offset..<(offset + value.count), with: value)
        }
        func put(_ number: Int, at offset: Int, digits: Int) {
            let text = String(number, radix: 8)
            let zeroes = String(repeating: "0", count: digits - text.count)
            put(Array(zeroes.utf8) + Array(text.utf8), at: offset)
        }
        put(Array(path.prefix(100)), at: 0)
        put(mode, at: 100, digits: 7)
        put(user, at: 108, digits: 7)
        put(group, at: 116, digits: 7)
        put(size ?? data.count, at: 124, digits: 11)
        put(modified, at: 136, digits: 11)
        put([UInt8](repeating: 0x20, count: 8), at: 148)
        header[156] = kind.rawValue
        put(Array(target.prefix(100)), at: 157)
        put(Array("ustar\u{0}00".utf8), at: 257)
        put(device.major, at: 329, digits: 7)
        put(device.minor, at: 337, digits: 7)
        var sum = 0
        for byte in header { sum += Int(byte) }
        put(sum, at: 148, digits: 6)
        header[154] = 0
        bytes += header
        bytes += data
        bytes += [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
    }

    /// "LENGTH KEY=VALUE\n", of which the length counts itself.
    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        var rest = Array(" \(key)=".utf8)
        rest += value
        rest.append(0x0a)
        var length = rest.count + 1
        while "\(length)".count + rest.count != length { length = "\(length)".count + rest.count }
        return Array("\(length)".utf8) + rest
    }

    /// With the blocks that end it.
    var ended: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
