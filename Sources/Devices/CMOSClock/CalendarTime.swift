/// A date and time of day in the proleptic Gregorian calendar, years 0 to 9999.
struct CalendarTime: Equatable, Sendable {
    var year: Int
    /// 1 to 12.
    var month: Int
    /// 1 to 31.
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int

    /// Seconds since 1970 of the first and last second that can be shown.
    static let secondsRange: ClosedRange<Int64> = -62_167_219_200...253_402_300_799

    init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// The date and time `seconds` after 1970-01-01 00:00:00; the nearest that can be shown when that is out of range.
    init(secondsSince1970 seconds: Int64) {
        let seconds = Int(min(max(seconds, Self.secondsRange.lowerBound), Self.secondsRange.upperBound))
        // Days from 0000-03-01: in a year that starts in March the leap day comes last.
        var days = seconds.floored(by: 86400) + 719_468
        let secondOfDay = seconds - seconds.floored(by: 86400) * 86400
        let cycle = days.floored(by: 146_097)
        days -= cycle * 146_097
        // Centuries are 36,524 days and four years 1,461, but for the last of each, which may be a day longer.
        let century = min(days / 36_524, 3)
        days -= century * 36_524
        let olympiad = days / 1_461
        days -= olympiad * 1_461
        let yearOfFour = min(days / 365, 3)
        days -= yearOfFour * 365
        // March to July, August to December and January to February: 153 days for every five months.
        let monthFromMarch = (5 * days + 2) / 153
        day = days - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = cycle * 400 + century * 100 + olympiad * 4 + yearOfFour + (month <= 2 ? 1 : 0)
        hour = secondOfDay / 3600
        minute = secondOfDay / 60 % 60
        second = secondOfDay % 60
    }

    /// Seconds since 1970. Values out of range are brought to the nearest in range first; a day past its month's end
    /// is a day of the next.
    var secondsSince1970: Int64 {
        let month = min(max(month, 1), 12)
        let monthFromMarch = month > 2 ? month - 3 : month + 9
        let year = min(max(year, 0), 9999) - (month <= 2 ? 1 : 0)
        let leapDays = year.floored(by: 4) - year.floored(by: 100) + year.floored(by: 400)
        let days = year * 365 + leapDays + (153 * monthFromMarch + 2) / 5 + min(max(day, 1), 31) - 1 - 719_468
        let clock = min(max(hour, 0), 23) * 3600 + min(max(minute, 0), 59) * 60 + min(max(second, 0), 59)
        return Int64(days * 86400 + clock)
    }

    /// 1 for Sunday to 7 for Saturday.
    var weekday: Int {
        let days = Int(secondsSince1970).floored(by: 86400)  // 1970-01-01 was a Thursday
        return (days + 4) - (days + 4).floored(by: 7) * 7 + 1
    }
}

extension Int {
    /// Division that rounds towards negative infinity.
    fileprivate func floored(by divisor: Int) -> Int {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}
