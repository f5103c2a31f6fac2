import HostIO
import Logging

// A process's arguments hold any byte but NUL, so nothing is escaped: one word a field, `key=value`.
//
//     caisson name=web kernel=3:/boot/vmlinux ramdisk=4:initramfs.cpio append=quiet memory=134217728 backing=anonymous cpus=1
//         console=terminal timeout=30000ms debug-exit=no restart=yes log-level=warning
extension MachineDescription {
    private enum Field: String, CaseIterable {
        case name, kernel, ramdisk, append, cmdline, memory, cpus, console, disk, network, balloon, vsock, hardware
        case timeout, backing, root, guest, agent, share
        case consolePort = "console-port"
        case cpuQuota = "cpu-quota"
        case cpuAffinity = "cpu-affinity"
        case debugExit = "debug-exit"
        case restart
        case statistics
        case logLevel = "log-level"
        case copiedFiles = "copy-in"
        case copyOut = "copy-out"
    }

    /// The description in words that `init(arguments:)` takes. A part of a millisecond counts as a whole one.
    package var arguments: [String] {
        func word(_ field: Field, _ value: some CustomStringConvertible) -> String { "\(field.rawValue)=\(value)" }
        func word(_ field: Field, _ file: FileReference) -> String { word(field, "\(file.descriptor):\(file.path)") }
        func word(_ field: Field, _ value: Bool) -> String { word(field, value ? "yes" : "no") }

        var words = [word(.name, name), word(.kernel, kernel)]
        words += ramdisks.map { word(.ramdisk, $0) }
        switch commandLine {
        case .extendingDefaults(let text): words.append(word(.append, text))
        case .replacingDefaults(let text): words.append(word(.cmdline, text))
        }
        words += [
            word(.memory, memorySize), word(.backing, memoryBacking.rawValue), word(.cpus, processorCount),
        ]
        if let cpuQuota { words.append(word(.cpuQuota, "\(cpuQuota)%")) }
        if !cpuAffinity.isEmpty {
            words.append(word(.cpuAffinity, cpuAffinity.map(String.init).joined(separator: ",")))
        }
        words.append(word(.console, console))
        words += consolePorts.map { word(.consolePort, $0) }
        words += disks.map { word(.disk, $0) }
        words += networks.map { word(.network, $0) }
        if let balloonTarget { words.append(word(.balloon, balloonTarget)) }
        if let socket { words.append(word(.vsock, socket)) }
        words += shares.map { word(.share, $0) }
        if let guest { words.append(word(.guest, guest)) }
        if hasAgent { words.append(word(.agent, true)) }
        if let rootFileSystem { words.append(word(.root, rootFileSystem)) }
        words += copiedFiles.map { word(.copiedFiles, $0) } + copiesOut.map { word(.copyOut, $0) }
        if let command { words += command.words }
        words.append(word(.hardware, hardware.rawValue))
        if let timeout { words.append(word(.timeout, "\(timeout.wholeMilliseconds)ms")) }
        if let statisticsFile { words.append(word(.statistics, statisticsFile)) }
        words += [
            word(.debugExit, debugExit), word(.restart, restartsOnReset), word(.logLevel, logLevel.rawValue),
        ]
        return words
    }

    /// Reads a description. All fields have to be there once, but `cpu-quota`, `cpu-affinity`, `balloon`, `vsock`, `timeout`,
    /// `root`, `guest`, `agent` and `statistics` may be missing, and `ramdisk`, `console-port`, `disk`, `network`, `share`,
    /// `copy-in` and `copy-out` repeated or missing. A command's
    /// words may be among them.
    package init(arguments: [String]) throws(MachineDescriptionError) {
        let commandWords = arguments.filter(GuestCommand.isWord)
        var values: [Field: [String]] = [:]
        for word in arguments where !GuestCommand.isWord(word) {
            guard let (key, value) = word.split(at: "="), let field = Field(rawValue: key) else {
                throw .unknownWord(word)
            }
            values[field, default: []].append(value)
        }

        func optional<Value>(
            _ field: Field, _ expected: String, _ parse: (String) -> Value?
        ) throws(MachineDescriptionError) -> Value? {
            guard let texts = values[field] else { return nil }
            guard texts.count == 1 else { throw .repeated(field.rawValue) }
            guard let value = parse(texts[0]) else { throw .invalid(field.rawValue, texts[0], expected: expected) }
            return value
        }
        func required<Value>(
            _ field: Field, _ expected: String, _ parse: (String) -> Value?
        ) throws(MachineDescriptionError) -> Value {
            guard let value = try optional(field, expected, parse) else { throw .missing(field.rawValue) }
            return value
        }
        func flag(_ field: Field) throws(MachineDescriptionError) -> Bool {
            try required(field, "yes or no") { ["yes": true, "no": false][$0] }
        }

        let name = try required(.name, "letters, digits, _ . and -") { Self.isName($0) ? $0 : nil }
        let kernel = try required(.kernel, FileReference.form, FileReference.init)
        let memorySize = try required(.memory, "whole pages, at most 64 TiB") { text in
            UInt64(text).flatMap { Self.memorySizes.contains($0) && $0 % Self.pageSize == 0 ? $0 : nil }
        }
        self.init(name: name, kernel: kernel, memorySize: memorySize)

        for text in values[.ramdisk] ?? [] {
            guard let file = FileReference(text) else {
                throw .invalid(Field.ramdisk.rawValue, text, expected: FileReference.form)
            }
            ramdisks.append(file)
        }
        switch (try optional(.append, "words", { $0 }), try optional(.cmdline, "words", { $0 })) {
        case (let words?, nil): commandLine = .extendingDefaults(by: words)
        case (nil, let words?): commandLine = .replacingDefaults(by: words)
        case (nil, nil): throw .missing(Field.append.rawValue)
        case (_?, _?): throw .repeated(Field.append.rawValue)
        }
        memoryBacking = try required(.backing, "a kind of memory with whole pages") { text in
            MemoryBackingMode(rawValue: text).flatMap { memorySize % $0.pageSize == 0 ? $0 : nil }
        }
        processorCount = try required(.cpus, "1 to \(Self.processorCounts.upperBound)") { text in
            Int(text).flatMap { Self.processorCounts.contains($0) ? $0 : nil }
        }
        cpuQuota = try optional(.cpuQuota, "percent, as in 50%") { text in
            guard text.hasSuffix("%"), let percent = Int(text.dropLast()) else { return nil }
            return Self.cpuQuotas.contains(percent) ? percent : nil
        }
        cpuAffinity =
            try optional(.cpuAffinity, "numbers of processors") { text in
                let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
                return numbers.contains(nil) ? nil : numbers.compactMap(\.self)
            } ?? []
        console = try required(.console, "a console") { try? ConsoleSpecification($0) }
        for text in values[.consolePort] ?? [] {
            guard let port = try? ConsolePortSpecification(text) else {
                throw .invalid(Field.consolePort.rawValue, text, expected: "a console")
            }
            consolePorts.append(port)
        }
        for text in values[.disk] ?? [] {
            do throws(DiskSpecificationError) { disks.append(try DiskSpecification(text, size: { UInt64($0) })) } catch
            {
                throw .invalid(Field.disk.rawValue, text, expected: "a disk")
            }
        }
        for text in values[.network] ?? [] {
            do throws(NetworkSpecificationError) {
                networks.append(try NetworkSpecification(text, size: { UInt64($0) }))
            } catch { throw .invalid(Field.network.rawValue, text, expected: "a network") }
        }
        balloonTarget = try optional(.balloon, "bytes, at most the memory's") { text in
            UInt64(text).flatMap { $0 <= memorySize ? $0 : nil }
        }
        socket = try optional(.vsock, "a socket device") { try? SocketSpecification($0) }
        for text in values[.share] ?? [] {
            do throws(ShareSpecificationError) { shares.append(try ShareSpecification(text)) } catch {
                throw .invalid(Field.share.rawValue, text, expected: "a shared directory")
            }
        }
        guest = try optional(.guest, "a name") { $0 }
        hasAgent = try optional(.agent, "yes") { $0 == "yes" ? true : nil } ?? false
        rootFileSystem = try optional(.root, "a root file system", GuestRootFileSystem.init(description:))
        for text in values[.copiedFiles] ?? [] {
            guard let files = CopiedFiles(description: text), disks.indices.contains(files.disk) else {
                throw .invalid(Field.copiedFiles.rawValue, text, expected: "files on a disk")
            }
            copiedFiles.append(files)
        }
        for text in values[.copyOut] ?? [] {
            guard let copy = CopyOut(description: text) else {
                throw .invalid(Field.copyOut.rawValue, text, expected: "two paths")
            }
            copiesOut.append(copy)
        }
        if !commandWords.isEmpty { command = try GuestCommand(words: commandWords) }
        hardware = try required(.hardware, "auto, acpi, fdt or cmdline", HardwareDescriptionMethod.init(rawValue:))
        timeout = try optional(.timeout, "milliseconds, as in 30000ms") { text in
            guard text.hasSuffix("ms"), let count = Int64(text.dropLast(2)) else { return nil }
            let limit = Self.timeouts.upperBound.wholeMilliseconds
            return (1...limit).contains(count) ? .milliseconds(count) : nil
        }
        statisticsFile = try optional(.statistics, "a path") { $0.isEmpty ? nil : $0 }
        debugExit = try flag(.debugExit)
        restartsOnReset = try flag(.restart)
        logLevel = try required(.logLevel, "a level of importance", Logger.Level.init(rawValue:))
    }
}

/// A word that describes no machine. Only who starts machines without `caisson-cli` meets it.
package enum MachineDescriptionError: Error, Equatable {
    /// No field of that name, or no `key=value`.
    case unknownWord(String)
    case missing(String)
    case repeated(String)
    case invalid(String, String, expected: String)
}

extension MachineDescriptionError: CustomStringConvertible {
    package var description: String {
        let advice = "`caisson help run` tells how to start a machine"
        return switch self {
        case .unknownWord(let word): "'\(word)' describes nothing of a machine; \(advice)"
        case .missing(let field): "the machine's description has no \(field)=; \(advice)"
        case .repeated(let field): "the machine's description has more than one \(field)=; \(advice)"
        case .invalid(let field, let value, let expected):
            "\(field)=\(value) describes no machine, expected \(expected); \(advice)"
        }
    }
}

extension MachineDescription.FileReference: CustomStringConvertible {
    fileprivate static let form = "DESCRIPTOR:PATH"

    package var description: String { "\(descriptor):\(path)" }

    fileprivate init?(_ text: String) {
        guard let (number, path) = text.split(at: ":"), let descriptor = Int32(number), descriptor >= 0, !path.isEmpty
        else { return nil }
        self.init(descriptor: descriptor, path: path)
    }
}

extension String {
    /// What comes before and after the first `separator`, by bytes: it may be followed by a combining character.
    func split(at separator: Unicode.Scalar) -> (String, String)? {
        guard let index = unicodeScalars.firstIndex(of: separator) else { return nil }
        return (String(self[..<index]), String(self[unicodeScalars.index(after: index)...]))
    }
}

extension Duration {
    /// Rounded up; at most what fits.
    fileprivate var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (thousands, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        let (sum, carry) = thousands.addingReportingOverflow(rest)
        return overflow || carry ? .max : sum
    }
}
