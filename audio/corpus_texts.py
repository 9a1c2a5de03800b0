"""What is said in the built-in corpus. Sentences avoid commas, where a synthesiser would pause."""

from __future__ import annotations

from audio.clips import ClipKind

TALKERS = ("slt", "rms", "awb")  # flite's voices for the talkers
ASSISTANT = "kal16"  # and the one for the reference assistant, so that an ear can tell them apart

ACCENTS = {"slt": "en-US", "rms": "en-US", "awb": "en-scotland", "kal16": "en-US"}
"""Language tags (RFC 5646) of the accents that the voices' speakers have."""

# Dealt to the talkers' voices in turn: the first is said by slt, the second by rms, the third by awb, and so on.
SAID_BY_TALKERS: dict[ClipKind, tuple[str, ...]] = {
    ClipKind.QUESTION: (
        "What time do you open on Saturday morning?",
        "I would like to book a flight from Madrid to Berlin next Thursday.",
        "Can you send me a copy of my last invoice?",
        "Will it rain in Seville tomorrow afternoon?",
        "How long do I have to boil an egg?",
        "Where is the nearest pharmacy?",
        "I need to move my appointment with the dentist to the second week of March because I will be away.",
        "How much does it cost to send a parcel of two kilos to Norway?",
        "Is there still a table for four people tonight?",
        "My internet connection has been very slow since yesterday evening.",
        "Which train should I take to be in Barcelona before noon?",
        "Do you deliver to the islands?",
        "Please tell me the balance of my savings account.",
        "What can I cook with chicken and rice and a few tomatoes?",
        "I forgot my password and cannot log in to my account.",
        "Who do I call when the heating is broken?",
        "Can I bring a small dog into the hotel room?",
        "How many days of holiday do I have left this year?",
        "I ordered a pair of running shoes two weeks ago and I still do not know when they will arrive.",
        "What is the exchange rate between the dollar and the euro?",
        "Could you explain the difference between the basic and the premium plan?",
        "Set an alarm for half past six.",
        "What are the visiting hours of the hospital on Sunday?",
        "I want to cancel my subscription at the end of the month.",
        "How do I get from the airport to the city centre without a car?",
        "Are there any tickets left for the concert on Friday?",
        "Why was my credit card charged twice for the same purchase?",
        "How warm is the sea at this time of the year?",
        "Remind me to water the plants tomorrow.",
        "I am looking for a quiet apartment with two bedrooms and a balcony that is close to the old harbour.",
        "Does the museum have a discount for students?",
        "When is the next bus to the university?",
        "I would like to change the delivery address of my order.",
        "Which documents do I need to renew my passport?",
        "Can you recommend a good book about the history of Rome?",
        "How do I return a jacket that does not fit?",
        "What is the weather like in the mountains this weekend?",
        "Is breakfast included in the price of the room?",
        "Is anybody there?",
        "I would like to speak to someone about the insurance for my new car before the end of this week if possible.",
        "How do I turn off the notifications on my phone?",
        "Could you repeat the reservation number slowly?",
    ),
    ClipKind.INTERRUPTION: (
        "No wait I meant Tuesday.",
        "Stop please that is not what I asked.",
        "Sorry can I ask you something else?",
        "Hold on I only want the price.",
        "Actually make that two tickets.",
        "Excuse me I already know that part.",
        "Wait a moment what did you say about the fee?",
        "No that is the wrong address.",
        "Okay stop I have heard enough.",
        "Let me interrupt you there for a second.",
        "Not that one the other account.",
        "Can you just give me the phone number?",
        "Hang on I need to change the date.",
        "That is fine but what about Monday?",
        "Stop stop start again from the beginning.",
    ),
    ClipKind.BACKCHANNEL: (
        "mm-hm",
        "mm-hm",
        "mm-hm",
        "uh-huh",
        "uh-huh",
        "uh-huh",
        "right",
        "right",
        "right",
        "okay",
        "okay",
        "okay",
        "I see",
        "yeah",
        "sure",
    ),
}

# What the synthesiser is given instead, where it would spell a transcript out.
SPOKEN_AS = {"mm-hm": "um hum", "uh-huh": "uh huh"}

SAID_BY_ASSISTANT = (
    "We open at nine in the morning and close at half past eight in the evening.",
    "I have found three flights for that day and the cheapest one leaves at ten past seven and takes two hours.",
    "Your last invoice is from the second of May and I have just sent a copy of it to your email address.",
    "It looks like light rain in the afternoon with a high of nineteen degrees so an umbrella would be a good idea.",
    "For a soft egg boil it for five minutes and for a hard one wait until nine minutes have passed.",
    "The nearest one is on the main square about four hundred metres from you and it stays open all night.",
    "I can offer you the ninth of March at eleven in the morning or the tenth of March at four in the afternoon.",
    "A parcel of two kilos costs eighteen euros and fifty cents and usually arrives within five working days.",
    "Yes there is a table by the window at nine and I can hold it for you for a quarter of an hour.",
    "I am sorry to hear that and I will run a test of your line now which takes about a minute to complete.",
    "The fast train at eight fifteen arrives at ten forty five and there are still seats in both classes.",
    "The balance of your savings account is two thousand three hundred and forty euros as of this morning.",
    "You could make a simple paella with that and it takes about forty minutes from start to finish.",
    "I have sent you a link with which you can choose a new password and it is valid for one hour.",
    "Small dogs are welcome and there is a charge of ten euros per night for the cleaning of the room.",
    "Your order left our warehouse on Monday and the driver expects to deliver it tomorrow before two.",
    "The premium plan includes support by telephone and twice the storage for four euros more per month.",
    "Take the line eight from terminal four and change to line ten and you will be in the centre in half an hour.",
)
