"""What people ask a voice assistant: templates that make the thinker write training text."""

import random

SYSTEM_PROMPT = "You are a friendly voice assistant. Answer in one or two short spoken sentences."

TOPICS = """
the moon|coffee|bicycles|the ocean|thunderstorms|cats|dogs|horses|whales|bees|butterflies
volcanoes|the sun|rainbows|snow|the desert|rain forests|mountains|rivers|gardening|tomatoes|apples
bread|chocolate|tea|pizza|soup|cheese|rice|breakfast|cooking|baking a cake|healthy food|vitamins
sleep|dreams|exercise|running|swimming|yoga|football|basketball|chess|board games|video games
puzzles|music|the piano|the guitar|jazz|singing|dancing|painting|photography|movies|theater|books
poetry|writing letters|learning languages|English grammar|mathematics|fractions|geometry|physics
gravity|electricity|magnets|chemistry|atoms|biology|the human heart|the brain|teeth|bones
the immune system|first aid|headaches|stress|meditation|happiness|friendship|family|children
birthdays|weddings|holidays|travel|airplanes|trains|ships|cars|electric cars|traffic|maps|New York
Paris|Japan|Africa|Australia|castles|pyramids|ancient Rome|world history|democracy|money
saving money|banks|jobs|job interviews|meetings|time management|computers|the internet|passwords
robots|artificial intelligence|phones|satellites|rockets|Mars|black holes|dinosaurs|fossils
penguins|elephants|birds|fish|insects|trees|flowers|recycling|climate|the weather|clocks|calendars
furniture|cleaning the house|laundry|moving house|painting a room|neighbors|shopping|gifts|clothes
shoes|hair|glasses|umbrellas|camping|fishing|hiking
""".replace("\n", "|")

FORMS = """
What is {t}?|Tell me something interesting about {t}.|Why do people like {t}?|How does {t} work?
Can you explain {t} to a child?|What should I know about {t}?|Give me a tip about {t}.
What is the best thing about {t}?|What is the history of {t}?|Who would I ask about {t}?
I am worried about {t}. What should I do?|How can I learn more about {t}?
Tell me a joke about {t}.|What is the difference between {t} and {u}?|Which is better, {t} or {u}?
Do you like {t}?|How much does {t} cost?|When did people first think about {t}?
Where can I find {t}?|Tell me a short story about {t}.|What are three facts about {t}?
Is it true that {t} can be dangerous?|I want to talk about {t}.|How do I start with {t}?
What do experts say about {t}?|Describe {t} in one sentence.
My friend loves {t}. What can I say to her?|Ask me a question about {t}.
What would you do with {t} and {u}?|Help me plan a day with {t}.
""".replace("\n", "|")

SMALL_TALK = """
Hello, how are you?|What is your name?|Good morning!|Thank you very much.|Can you help me?
What can you do?|I am bored.|I had a bad day.|I am so happy today!|Good night.|Who made you?
Tell me a joke.|What should I eat tonight?|What is two plus two?|Set a timer for ten minutes.
What day is it today?|Sorry, I did not hear you.|Wait, stop, that is wrong.|Sing me a song.
What is the capital of France?|How old are you?|Are you a human?|See you tomorrow.
Please repeat that.
""".replace("\n", "|")


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split("|") if entry.strip()]


def sample_prompts(count: int, seed: int) -> list[str]:
    """`count` user questions, one in twelve of them small talk; the same for the same seed."""
    rng = random.Random(seed)
    topics, forms, talk = _entries(TOPICS), _entries(FORMS), _entries(SMALL_TALK)
    return [
        rng.choice(talk)
        if rng.random() < 1 / 12
        else rng.choice(forms).format(t=rng.choice(topics), u=rng.choice(topics))
        for _ in range(count)
    ]
