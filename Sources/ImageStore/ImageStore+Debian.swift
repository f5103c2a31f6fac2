/// A Debian to build from packages.
package struct DebianBuild: Sendable {
    package var suite: String
    /// Packages beside those that Debian calls essential, and apt.
    package var packages: [String]
    /// Lines of sources.list; where there are none, what this host's apt has for the suite.
    package var sources: [String]

    package init(suite: String = "bookworm", packages: [String] = [], sources: [String] = []) {
        self.suite = suite
        self.packages = packages
        self.sources = sources
    }

    /// The words that are no names of Debian's.
    package var misnamed: [String] {
        ([suite] + packages).filter { word in
            let isPlain = word.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || [UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains(byte)
            }
            return !isPlain || word.isEmpty || word.hasPrefix("-")
        }
    }

    var configuration: ImageConfiguration {
        var configuration = ImageConfiguration()
        configuration.command = ["/bin/bash"]
        configuration.environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        return configuration
    }
}

extension ImageStore {
    /// Builds a Debian by mmdebstrap, which works as root, and for users who have subordinate ids.
    package func buildDebian(
        _ name: ImageName, _ build: DebianBuild, limits: ImportLimits = ImportLimits(),
        progress: @escaping ImportProgress = { _, _ in }
    ) throws(ImageStoreError) -> ImageRecord {
        try prepare()
        let budget = ImportBudget(limits, progress: progress)
        budget.begin(.installing)
        var arguments = ["--variant=minbase", "--format=tar"]
        if !build.packages.isEmpty { arguments.append("--include=\(build.packages.joined(separator: ","))") }
        arguments += [build.suite, "-"]
        arguments += build.sources.isEmpty ? hostSources(of: build.suite) : build.sources
        let (program, output) = try HostProgram.reading(
            "mmdebstrap", arguments, package: "mmdebstrap", messagesIn: path)
        let source = "debian \(build.suite)"
        let stream = DescriptorSource(stream: output, name: source, idle: { budget.advance(0) })
        let result = Result { () throws(ImageStoreError) in
            try Contents(archive: stream, of: source, tag: nil, in: path, within: budget)
        }
        // A program that failed says more than its output, which ends too early then.
        try program.finish()
        var contents = try result.get()
        contents.configuration = build.configuration
        return try make(name, contents, source: source, budget)
    }

    /// Where this host's apt gets a release; nothing where it does not, and mmdebstrap knows Debian's own mirrors.
    private func hostSources(of suite: String) -> [String] {
        guard
            let (program, output) = try? HostProgram.reading(
                "apt-get",
                [
                    "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                    "Origin: Debian",
                ], package: "apt", messagesIn: path),
            let text = try? DescriptorSource(stream: output, name: "apt-get").contents(limit: 1 << 16)
        else { return [] }
        guard (try? program.finish()) != nil else { return [] }
        let releases = [suite, "\(suite)-updates", "\(suite)-security"]
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init).filter { line in
            let words = line.split(separator: " ")
            return words.count == 4 && releases.contains(String(words[2])) && words[3] == "main"
        }
        return Set(lines).sorted()
    }
}
