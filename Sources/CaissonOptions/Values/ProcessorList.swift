import Caisson

/// Numbers of processors as taskset and cpusets write them: `0,2-4`.
package struct ProcessorList: Equatable {
    package static let numbers = VirtualMachineConfiguration.allowedHostProcessors

    /// In the order in which they were written.
    package let processors: [Int]

    /// Reads numbers and ranges of them, parted by commas. Nil for anything else, and for numbers beyond `numbers`.
    package init?(parsing text: String) {
        var processors: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard (1...2).contains(ends.count),
                let first = Self.number(ends[0]), let last = Self.number(ends[ends.count - 1]), first <= last
            else { return nil }
            processors += first...last
            // More than any machine has.
            guard processors.count <= Self.numbers.count else { return nil }
        }
        self.processors = processors
    }

    private static func number(_ text: Substring) -> Int? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int(text)
        else { return nil }
        return numbers.contains(number) ? number : nil
    }
}
