/// A disk as the user writes it: `PATH[,readonly][,snapshot][,cache=MODE][,format=raw][,serial=TEXT]` or
/// `size=SIZE[,serial=TEXT]`, each with the options of a `RateSpecification`. A comma in a path or serial is written
/// twice.
package struct DiskSpecification: Equatable, Sendable {
    package enum Source: Equatable, Sendable {
        /// A raw image or a block device.
        case file(path: String)
        /// So many bytes of zeroes that end with the machine.
        case scratch(byteCount: UInt64)
    }

    package var source: Source
    package var isReadOnly = false
    /// What the guest writes is thrown away at the end.
    package var isSnapshot = false
    package var cache = DiskCache.writeback
    /// What tells the guest the disk from others: up to 20 printable ASCII characters.
    package var serial = ""
    package var rate = RateSpecification()

    package init(_ source: Source) { self.source = source }
}

/// A disk specification that says nothing that exists.
package struct DiskSpecificationError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case noPath
        case nulInPath
        case unknownOption(String)
        case repeatedOption(String)
        case unknownCache(String)
        case unknownFormat(String)
        case unusableSerial(String)
        case unusableSize(String)
        /// A scratch disk takes no such option.
        case notForScratch(String)
        case unusableRate(RateSpecificationError)
    }

    package let text: String
    package let reason: Reason

    package var description: String {
        let why =
            switch reason {
            case .noPath: "it begins with a path, or with size= for a new disk of that size"
            case .nulInPath: "a path cannot hold a NUL byte"
            case .unknownOption(let word):
                "there is no option '\(word)'; there are readonly, snapshot, cache=, format=, serial=, bps=, iops=, "
                    + "bps_max=, iops_max= (a comma in a path is written twice)"
            case .repeatedOption(let word): "\(word) is there twice"
            case .unknownCache(let mode): "there is no cache mode '\(mode)': use writeback, none or unsafe"
            case .unknownFormat(let format):
                "the format '\(format)' is not known: images are raw; qemu-img convert -O raw makes one"
            case .unusableSerial(let serial):
                "the serial '\(serial)' is none: use up to \(DiskSpecification.longestSerial) printable ASCII characters"
            case .unusableSize(let size):
                "'\(size)' is no size: use a number and K, M, G or T, at least 512 bytes, at most "
                    + "\(DiskSpecification.largestScratch >> 40)T, as in size=4G"
            case .notForScratch(let word):
                "a disk of size= is new and thrown away at the end: \(word) says nothing there"
            case .unusableRate(let error): "\(error)"
            }
        return "'\(text)' is no disk: \(why)"
    }
}

extension DiskSpecification {
    package static let longestSerial = 20
    /// What common file systems can hold in one file.
    static let largestScratch: UInt64 = 8 << 40

    /// - Parameter size: reads a number of bytes as the user writes it.
    /// - Throws: `DiskSpecificationError`.
    package init(_ text: String, size: (String) -> UInt64?) throws(DiskSpecificationError) {
        func fail(_ reason: DiskSpecificationError.Reason) -> DiskSpecificationError {
            DiskSpecificationError(text: text, reason: reason)
        }
        var words = CommaWords.split(text)
        let first = words.removeFirst()
        if first.hasPrefix("size=") {
            let number = String(first.dropFirst(5))
            guard let bytes = size(number), (512...Self.largestScratch).contains(bytes) else {
                throw fail(.unusableSize(number))
            }
            self.init(.scratch(byteCount: (bytes + 511) / 512 * 512))
        } else {
            guard !first.isEmpty else { throw fail(.noPath) }
            guard !first.utf8.contains(0) else { throw fail(.nulInPath) }
            self.init(.file(path: first))
        }
        var known: Set<String> = []
        for word in words {
            let name = word.firstIndex(of: "=").map { String(word[...$0]) } ?? word
            let value = String(word.dropFirst(name.count))
            guard known.insert(name).inserted else { throw fail(.repeatedOption(name)) }
            let isRate = RateSpecification.names.contains(name)
            if case .scratch = source, name != "serial=", !isRate { throw fail(.notForScratch(word)) }
            switch name {
            case "readonly": isReadOnly = true
            case "snapshot": isSnapshot = true
            case "cache=":
                guard let mode = DiskCache(rawValue: value) else { throw fail(.unknownCache(value)) }
                cache = mode
            case "format=":
                guard value == "raw" else { throw fail(.unknownFormat(value)) }
            case "serial=":
                guard Self.isSerial(value) else { throw fail(.unusableSerial(value)) }
                serial = value
            case _ where isRate:
                do throws(RateSpecificationError) { try rate.set(name, value, size: size) } catch {
                    throw fail(.unusableRate(error))
                }
            default: throw fail(.unknownOption(word))
            }
        }
        do throws(RateSpecificationError) { try rate.validate() } catch { throw fail(.unusableRate(error)) }
    }

    /// Whether a disk can have that serial.
    package static func isSerial(_ text: String) -> Bool {
        (1...longestSerial).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20..<0x7f).contains($0) }
    }
}

extension DiskSpecification: CustomStringConvertible {
    /// The specification as a user would write it; a size in bytes.
    package var description: String {
        var words: [String]
        switch source {
        case .file(let path): words = [CommaWords.escaped(path)]
        case .scratch(let byteCount): words = ["size=\(byteCount)"]
        }
        if isReadOnly { words.append("readonly") }
        if isSnapshot { words.append("snapshot") }
        if cache != .writeback { words.append("cache=\(cache.rawValue)") }
        if !serial.isEmpty { words.append("serial=\(CommaWords.escaped(serial))") }
        words += rate.words
        return words.joined(separator: ",")
    }
}
