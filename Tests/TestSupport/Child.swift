import Glibc

/// A program that ran to its end.
package struct Child {
    /// The exit status; 128 and more for the signal that ended it.
    package let status: Int32
    package let output: String
    package let errors: String

    /// - Parameters:
    ///   - environment: all of the child's environment.
    ///   - output: a descriptor for its standard output, which is collected otherwise.
    ///   - isInputClosed: whether it has no standard input, in place of an empty one.
    package static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], output: Int32? = nil,
        isInputClosed: Bool = false
    ) -> Child {
        let input = isInputClosed ? nil : Descriptor.opening("/dev/null", O_RDONLY)
        let collected = ScratchFile()
        let errors = ScratchFile()
        let process = ChildProcess(
            program, arguments, environment: environment,
            streams: (input?.raw, output ?? collected.descriptor.raw, errors.descriptor.raw))
        guard let ending = process.ending(within: .seconds(300)) else {
            preconditionFailure("\(program) \(arguments) did not end")
        }
        return Child(status: ending.status, output: collected.text, errors: errors.text)
    }
}
