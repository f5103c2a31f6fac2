/// What /proc/cpuinfo says of the host's processors. KVM's own behaviour counts for more: this only explains it.
package struct ProcessorFacts: Equatable, Sendable {
    package var model: String?
    /// Processors that Linux sees.
    package var count = 0
    /// Intel's virtualization.
    package var hasVMX = false
    /// AMD's virtualization.
    package var hasSVM = false
    /// Whether the host is a virtual machine itself.
    package var isVirtual = false

    /// - Parameter text: /proc/cpuinfo, of which the first processor stands for all.
    package init(cpuinfo text: String) {
        var flags: Set<Substring> = []
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = line[..<colon].split(whereSeparator: \.isWhitespace).joined(separator: " ")
            let words = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace)
            switch key {
            case "processor": count += 1
            case "model name": if model == nil { model = words.joined(separator: " ") }
            case "flags": if flags.isEmpty { flags = Set(words) }
            default: break
            }
        }
        hasVMX = flags.contains("vmx")
        hasSVM = flags.contains("svm")
        isVirtual = flags.contains("hypervisor")
    }
}

/// The host's RAM, in bytes.
package struct MemoryFacts: Equatable, Sendable {
    package var total: UInt64
    /// What could be used without swapping.
    package var available: UInt64

    /// - Parameter text: /proc/meminfo.
    package init?(meminfo text: String) {
        func size(_ key: String) -> UInt64? {
            let line = text.split(separator: "\n").first { $0.hasPrefix("\(key):") }
            guard let words = line?.split(whereSeparator: \.isWhitespace), words.count == 3, words[2] == "kB",
                let count = UInt64(words[1])
            else { return nil }
            let (bytes, overflow) = count.multipliedReportingOverflow(by: 1024)
            return overflow ? nil : bytes
        }
        guard let total = size("MemTotal"), let available = size("MemAvailable") else { return nil }
        self.total = total
        self.available = available
    }
}
